"""Say what a run did: lines for each task, the recap of each head, where the time went; as text, as JSON, as JUnit XML.

All of it is pure: a function from results to lines, values or text.
"""

from lunops.recap.counts import CHANGED_CODE, counters, exit_code, recap_lines
from lunops.recap.hidden import HIDDEN, masked, masked_run
from lunops.recap.junit import junit
from lunops.recap.line import Detail, Line, Mask, Tone, clean, plain, same, title
from lunops.recap.report import end_lines, report, report_lines
from lunops.recap.slowest import Profile, slowest_lines
from lunops.recap.told import UNDO, group_lines, note_lines, place_lines, play_title, retry_line, task_lines, task_title
from lunops.recap.values import as_json
from lunops.recap.waterfall import critical_path, unaccounted_s, waterfall_lines

__all__ = [
    "CHANGED_CODE",
    "HIDDEN",
    "UNDO",
    "Detail",
    "Line",
    "Mask",
    "Profile",
    "Tone",
    "as_json",
    "clean",
    "counters",
    "critical_path",
    "end_lines",
    "exit_code",
    "group_lines",
    "junit",
    "masked",
    "masked_run",
    "note_lines",
    "place_lines",
    "plain",
    "play_title",
    "recap_lines",
    "report",
    "report_lines",
    "retry_line",
    "same",
    "slowest_lines",
    "task_lines",
    "task_title",
    "title",
    "unaccounted_s",
    "waterfall_lines",
]

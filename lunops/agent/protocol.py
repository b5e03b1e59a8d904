"""The words between controller and agent: JSON objects, one a line, UTF-8.

Controller to agent:
    {"do": "task", "id": "01:zfs_clone", "module": "zfs_clone", "check": false, "forks": 4,
     "items": [{"key": "…", "args": {…}}], "timeout_s": 600, "hang_s": 120, "run": "…",
     "lock_wait_s": 60}                    how long to wait for names that another run holds
                                           run: whose work it is, see lunops.agent.runs; may be left out
    {"do": "undo", "id": "undo:01:zfs_clone", "items": [{"key": "…", "made": […]}], "hang_s": 120}
    {"do": "at_work", "id": "…", "run": "…"}  who else on this head is at work for that run?
    {"do": "alive", "quiet_s": 20}         the controller is; an agent that heard it once, and then nothing for so
                                           long, cancels what runs, and ends: see lunops.agent.quiet
    {"do": "let_go"}                       its names are free for others; the session goes on
    {"do": "cancel"}                       ends the running task between two items
    {"do": "pipe", "id": "…", "side": "send|receive", "args": {…}, "stall_s": 120}
                                           be one end of a stream, see lunops.agent.pipe
    end of input                           as cancel, then the agent ends
Agent to controller:
    {"event": "hello", "protocol": 1, "python": "3.11.2", "hostname": "jbod-01", "pid": 812, "uid": 0,
     "wedged": "…", "wedged_fix": "…"}    why the head takes no LIO work; left out where it does
    {"event": "task_started", "id": "…"}
    {"event": "item", "id": "…", "key": "…", "status": "ok|changed|skipped|failed|unknown", "changes": ["…"],
     "error": "…", "fix": "…", "rolled_back": ["…"], "left_behind": ["…"], "made": […], "seconds": 0.12,
     "busy": true,                         another run held a name of it, and nothing of it was begun; else left out
     "data": …}                            what a task that only looks has found; left out where there is nothing
    {"event": "task_finished", "id": "…", "seconds": 1.2, "wait_s": 0.0,
     "error": "…", "fix": "…", "wedged": true}  the head is wedged: the task was refused, or hangs in the kernel
    {"event": "at_work", "id": "…", "who": "pid 12 (…)"}   empty where nobody is
    {"event": "pipe_started", "id": "…"}   what follows, or is awaited, are frames
    {"event": "pipe_finished", "id": "…", "code": 0, "said": "…", "bytes": 12, "stalled": ""}
    {"event": "alive"}                     every ALIVE_S seconds while a task runs, so that silence means loss
    {"event": "error", "what": "…"}        the agent could not take what it was sent; it ends after that

Every item of a task gets exactly one item event before task_finished. `skipped` items were not begun (cancelled).
`unknown` comes in check mode alone: only doing it would tell whether it changes anything.
`undo` answers with the same events; an undone item is `changed`, with what was taken back in `changes`;
what could not be is `failed`, with the commands that would do it in `left_behind`.
"""

PROTOCOL = 1
ALIVE_S = 2.0

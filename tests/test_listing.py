"""The lists of tasks, tags and heads, as ansible-playbook 2.19 writes them."""

from __future__ import annotations

from lunops.playbook.listing import hosts_text, listing_text, tags_text, tasks_text
from lunops.playbook.model import Play, Playbook
from lunops.playbook.reader import read_playbook
from lunops.playbook.select import select
from tests.reader_modules import READER_MODULES

BOOK = """\
- name: One
  hosts: g
  tags: [playtag, a]
  pre_tasks:
    - debug: {msg: pre}
  tasks:
    - name: first
      debug: {msg: 1}
      tags: b
    - name: B
      tags: blk
      block:
        - name: in block
          debug: {msg: 1}
          tags: c
        - block:
            - {name: inner, debug: {}, tags: z}
      rescue:
        - name: in rescue
          debug: {msg: 1}
    - name: nv
      debug: {msg: 1}
      tags: never
    - name: al
      debug: {msg: 1}
      tags: [always]
  handlers:
    - name: H
      debug: {msg: 1}
- hosts: [h1, all]
  tasks:
    - name: tt
      debug: {msg: 1}
"""
HEADS = {"g": ("h1", "h2"), "h1,all": ("h1", "h2", "h3")}
TASKS = """
playbook: p.yml

  play #1 (g): One\tTAGS: [a,playtag]
    tasks:
      debug\tTAGS: [a, playtag]
      first\tTAGS: [a, b, playtag]
      in block\tTAGS: [a, blk, c, playtag]
      inner\tTAGS: [a, blk, playtag, z]
      in rescue\tTAGS: [a, blk, playtag]
      al\tTAGS: [a, always, playtag]

  play #2 (h1,all): h1,all\tTAGS: []
    tasks:
      tt\tTAGS: []
"""
TAGS = """
playbook: p.yml

  play #1 (g): One\tTAGS: [a,playtag]
      TASK TAGS: [a, always, b, blk, c, never, playtag, z]

  play #2 (h1,all): h1,all\tTAGS: []
      TASK TAGS: []
"""
HOSTS = """
playbook: p.yml

  play #1 (g): One\tTAGS: [a,playtag]
    pattern: ['g']
    hosts (2):
      h1
      h2

  play #2 (h1,all): h1,all\tTAGS: []
    pattern: ['h1', 'all']
    hosts (3):
      h1
      h2
      h3
"""
ALL = """
playbook: p.yml

  play #1 (g): One\tTAGS: [a,playtag]
    pattern: ['g']
    hosts (2):
      h1
      h2
    tasks:
      in block\tTAGS: [a, blk, c, playtag]
      al\tTAGS: [a, always, playtag]
      TASK TAGS: [a, always, blk, c, playtag]

  play #2 (h1,all): h1,all\tTAGS: []
    pattern: ['h1', 'all']
    hosts (3):
      h1
      h2
      h3
    tasks:
      TASK TAGS: []
"""


def book() -> Playbook:
    return read_playbook(BOOK, "p.yml", modules=READER_MODULES)


def heads(play: Play) -> tuple[str, ...]:
    return HEADS[play.hosts]


def test_tasks_are_listed_by_name_or_module_with_all_their_tags() -> None:
    assert tasks_text(select(book())) == TASKS


def test_tags_are_listed_those_of_tasks_that_never_run_too() -> None:
    assert tags_text(book()) == TAGS


def test_heads_are_listed_below_the_pattern() -> None:
    assert hosts_text(book(), heads) == HOSTS


def test_all_lists_together_stand_play_by_play() -> None:
    assert listing_text(select(book(), tags=["c"]), tasks=True, tags=True, heads=heads) == ALL

CREATE TABLE jobs (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    client TEXT NOT NULL,
    state TEXT NOT NULL,
    num_requested INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    accepted_s REAL NOT NULL,
    started_s REAL,
    ended_s REAL
) STRICT;
CREATE TABLE parts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    workflow_id TEXT NOT NULL UNIQUE,
    tasks TEXT NOT NULL,
    state TEXT NOT NULL,
    is_enqueued INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    fix TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, head)
) STRICT, WITHOUT ROWID;
CREATE INDEX parts_unfinished ON parts (state) WHERE state IN ('queued', 'running');
CREATE TABLE items (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    head TEXT NOT NULL,
    key TEXT NOT NULL,
    wwn TEXT NOT NULL,
    keeps_clone INTEGER NOT NULL,
    PRIMARY KEY (job_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_wwn ON items (wwn);
CREATE TABLE tasks (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    module TEXT NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (job_id, head, task_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    module TEXT NOT NULL,
    run INTEGER NOT NULL,
    started_s REAL NOT NULL,
    last_s REAL NOT NULL,
    ended_s REAL,
    PRIMARY KEY (job_id, head, task_id, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    module TEXT NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    changes TEXT NOT NULL,
    error TEXT NOT NULL,
    fix TEXT NOT NULL,
    left_behind TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (job_id, head, task_id, key)
) STRICT, WITHOUT ROWID;

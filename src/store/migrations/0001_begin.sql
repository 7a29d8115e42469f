-- Times are milliseconds since 1970. `@SERIAL@` is how the database counts by itself.

-- What webhooks told of, until it is worked on; what is done is kept for a while so that a doubled delivery is known.
CREATE TABLE inbox (
    seq @SERIAL@,
    delivery TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    hint TEXT NOT NULL,
    heard_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'parked')),
    tries BIGINT NOT NULL DEFAULT 0,
    taken BIGINT,
    error TEXT,
    done_at BIGINT
);
CREATE INDEX inbox_waiting ON inbox (subject, seq) WHERE state = 'waiting';
CREATE INDEX inbox_undone ON inbox (seq) WHERE state <> 'done';
CREATE INDEX inbox_done ON inbox (done_at) WHERE state = 'done';

-- What is looked at, by one worker at a time. `due`: from when on it may be taken; NULL when there is nothing to do; the
-- lease's end while it has an owner. `again`: it became due while somebody worked on it. A row stays, for its fence.
CREATE TABLE subjects (
    subject TEXT PRIMARY KEY,
    due BIGINT,
    again BIGINT,
    owner TEXT,
    fence BIGINT NOT NULL DEFAULT 0,
    tries BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX subjects_due ON subjects (due) WHERE due IS NOT NULL;

-- Claims of low-tier executions that the ledger may not hold yet.
CREATE TABLE outbox (
    name TEXT PRIMARY KEY,
    proposal TEXT NOT NULL,
    agent TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    nonce TEXT NOT NULL,
    instance TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    claim TEXT NOT NULL,
    ended TEXT
);
CREATE INDEX outbox_proposal ON outbox (proposal);
CREATE INDEX outbox_key ON outbox (agent, idempotency_key);
CREATE INDEX outbox_nonce ON outbox (agent, nonce);

-- How often the rules were about to change: a claim that was prepared before is not made after.
CREATE TABLE rules (one BIGINT PRIMARY KEY CHECK (one = 1), epoch BIGINT NOT NULL);
INSERT INTO rules (one, epoch) VALUES (1, 0);

CREATE TABLE nonces (
    agent TEXT NOT NULL,
    nonce TEXT NOT NULL,
    forget_at BIGINT NOT NULL,
    PRIMARY KEY (agent, nonce)
);
CREATE INDEX nonces_forget ON nonces (forget_at);
CREATE INDEX nonces_agent ON nonces (agent, forget_at);

-- Keys of sealed values and answers of targets, which those keys open: erasable. A key that was destroyed is empty and
-- its row stays. `until`: when it may go; a key of sealed values is kept for good.
CREATE TABLE data_keys (proposal TEXT PRIMARY KEY, data_key TEXT NOT NULL, until BIGINT);
CREATE INDEX data_keys_until ON data_keys (until) WHERE until IS NOT NULL;
CREATE TABLE results (
    proposal TEXT NOT NULL,
    place TEXT NOT NULL,
    sealed TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (proposal, place)
);
CREATE INDEX results_until ON results (until);

-- The processes that share this database, and when each was last heard of.
CREATE TABLE instances (instance TEXT PRIMARY KEY, seen BIGINT NOT NULL);

-- How far whoever listens was told, a row for each channel: of the ledger's entries before `next` no more is said there.
CREATE TABLE channels (channel TEXT PRIMARY KEY, next BIGINT NOT NULL);

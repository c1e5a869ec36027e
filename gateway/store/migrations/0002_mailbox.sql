-- Alerts by mail: who may send them and how that is proven, which mails were read, which answers are owed.

CREATE TABLE mail_source (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox text NOT NULL,                          -- name of the mailbox in the settings
    address text NOT NULL CHECK (address = lower(address) AND length(address) <= 320 AND address ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    entity_id int NOT NULL REFERENCES entity,
    token_id int NOT NULL REFERENCES token,         -- realm, expiry and mandates are this credential's
    proof text NOT NULL CHECK (proof IN ('dkim', 'smime', 'xmldsig')),
    domain text NOT NULL DEFAULT '',                -- dkim: the d= that has to sign
    certificates text NOT NULL DEFAULT '',          -- smime, xmldsig: PEM of those who may sign or certify
    fingerprint bytea CHECK (length(fingerprint) = 32),   -- pins one key or certificate
    answers boolean NOT NULL DEFAULT false,         -- a CAP Ack or Error goes back
    reply_address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CHECK (proof <> 'dkim' OR domain <> ''),
    CHECK (proof = 'dkim' OR certificates <> ''),
    CHECK (NOT answers OR reply_address <> '')
);
CREATE UNIQUE INDEX mail_source_address ON mail_source (mailbox, address) WHERE revoked_at IS NULL;

CREATE TABLE mail_place (                           -- how far a mailbox was read
    mailbox text PRIMARY KEY,
    uid_validity bigint NOT NULL,
    done_to bigint NOT NULL DEFAULT 0,              -- every mail up to this UID has its verdict
    trying bigint NOT NULL DEFAULT 0,               -- the UID begun last, and how often
    tries int NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE mail (                                 -- one verdict for each mail, and nothing of what it said
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox text NOT NULL,
    uid_validity bigint NOT NULL,
    uid bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),    -- of the whole mail, or of its header where only that was read
    bytes bigint NOT NULL,
    source_id int REFERENCES mail_source,           -- NULL: nobody was proven
    entity_id int REFERENCES entity,
    verdict text NOT NULL CHECK (verdict IN ('taken', 'refused', 'repeated')),
    reason text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    alerts jsonb NOT NULL DEFAULT '[]',             -- [[alert, status], ...] as the intake answered
    settled_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (mailbox, uid_validity, uid)
);
CREATE INDEX mail_sha256 ON mail (mailbox, sha256);

CREATE TABLE mail_answer (                          -- CAP Ack and Error on their way to a source
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail_id bigint NOT NULL REFERENCES mail,
    source_id int NOT NULL REFERENCES mail_source,
    entity_id int NOT NULL REFERENCES entity,
    in_reply_to text NOT NULL DEFAULT '',
    subject text NOT NULL,
    body text NOT NULL,
    document bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0,
    sent_at timestamptz,
    given_up_at timestamptz
) WITH (fillfactor = 50);
CREATE INDEX mail_answer_due ON mail_answer (not_before) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX mail_answer_source ON mail_answer (source_id, created_at);

GRANT SELECT, INSERT, UPDATE ON mail_source, mail_place, mail_answer TO ${app_role};
GRANT SELECT, INSERT ON mail TO ${app_role};        -- a verdict stays
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};

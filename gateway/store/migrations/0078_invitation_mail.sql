-- Invitations that go by mail: their secret is made when the mail leaves, so that it never lies anywhere and waits.
ALTER TABLE invitation ADD mail_due_at timestamptz,     -- NULL: sent, or not to be sent
    ADD mail_attempts smallint NOT NULL DEFAULT 0,
    ADD mailed_at timestamptz;
CREATE INDEX invitation_mail_due ON invitation (mail_due_at) WHERE mail_due_at IS NOT NULL;

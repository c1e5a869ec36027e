-- When slots were last asked for, so that a clock that is set back holds nobody up until it has caught up.
ALTER TABLE rate_gate ADD asked_at timestamptz NOT NULL DEFAULT now();

-- What comes back for mails: notices of deliveries, and the addresses that are not written to any more.

CREATE TABLE mail_notice (                          -- beside the delivery, whose state is final; the report's addendum
    campaign_id int NOT NULL,
    seq int NOT NULL,
    entity_id int NOT NULL REFERENCES entity,
    said text NOT NULL CHECK (said IN ('bounced', 'delayed', 'arrived', 'complained', 'unsubscribed')),
    status text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, seq, said)
);

CREATE TABLE suppression (                          -- e-mail addresses; urgent alerts go to them all the same
    address text PRIMARY KEY CHECK (address = lower(address)),
    reason text NOT NULL CHECK (reason IN ('bounced', 'complained')),
    status text NOT NULL DEFAULT '',
    bounces int NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT now(),
    suppressed_at timestamptz                       -- NULL: only counted so far
);

GRANT SELECT, INSERT ON mail_notice TO ${app_role};
GRANT SELECT, INSERT, UPDATE, DELETE ON suppression TO ${app_role};
SELECT protect_tenant_table('mail_notice');

-- Forecasts count without those who are not written to, in the name of an entity, which must not read the list.
CREATE FUNCTION is_suppressed(email text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public AS
$$ SELECT EXISTS (SELECT FROM suppression s WHERE s.address = lower(email) AND s.suppressed_at IS NOT NULL) $$;
REVOKE ALL ON FUNCTION is_suppressed(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_suppressed(text) TO ${app_role}, ${tenant_role};

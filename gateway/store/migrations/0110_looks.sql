-- How many contacts somebody looked at within the hour is counted before every look.

CREATE INDEX audit_event_looks ON audit_event (entity_id, actor, at) WHERE act = 'contacts.seen';

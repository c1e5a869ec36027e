-- The map that the page of a mail shows: drawn once when the alert is accepted, kept with the text that names it.

ALTER TABLE text ADD COLUMN picture bytea NOT NULL DEFAULT '';

-- The map that a mail's page shows is drawn when it is sent, from the areas of the plan: nothing is kept with the text.
ALTER TABLE text DROP COLUMN picture;

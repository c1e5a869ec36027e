-- Which words one contact has, too: that a second word is there is one look, however common the words are.
CREATE INDEX contact_word_contact ON contact_word (contact_id, word);

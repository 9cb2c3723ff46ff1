CREATE TABLE notes (words text NOT NULL);

CREATE TABLE prices (id int PRIMARY KEY);
ALTER TABLE prizes ADD COLUMN cents int;

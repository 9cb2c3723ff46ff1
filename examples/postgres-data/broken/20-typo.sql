INSERT INTO ntoes VALUES ('a table that does not exist');

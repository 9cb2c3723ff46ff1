CREATE TABLE beats (at timestamptz PRIMARY KEY DEFAULT now());

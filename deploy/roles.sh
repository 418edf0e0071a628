#!/bin/sh
# Makes the database and its two roles; the image of PostgreSQL runs it once, on an empty volume.
# Nobody is let into the database until all is done: the health check of compose.yaml asks for that.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
CREATE ROLE boostmon LOGIN PASSWORD :'password';
CREATE ROLE boostmon_bot LOGIN PASSWORD :'password';
CREATE DATABASE boostmon OWNER boostmon ALLOW_CONNECTIONS false;
REVOKE ALL ON DATABASE boostmon FROM PUBLIC;
GRANT CONNECT ON DATABASE boostmon TO boostmon_bot;
ALTER DATABASE boostmon ALLOW_CONNECTIONS true;
SQL

#!/bin/sh
# Run once by the postgres image: the owner of the schema, who is no superuser, and the database.
set -eu
psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set password="$GATEWAY_OWNER_PASSWORD" <<'SQL'
CREATE ROLE gateway_owner LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE gateway OWNER gateway_owner;
SQL

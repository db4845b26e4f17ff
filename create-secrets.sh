#!/bin/sh
# Creates the folder of local files and the secrets that docker-compose.yml reads. It keeps every secret that exists.
set -eu
cd "$(dirname "$0")"
mkdir -p files secrets
# Only this user may enter the folder. Each container has its own user, so the files in it are readable for all.
chmod 700 secrets

random() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }
create() {
  [ -e "secrets/$1" ] && return
  rm -f "secrets/$1.new"
  printf '%s\n' "$2" >"secrets/$1.new"
  chmod 444 "secrets/$1.new"
  mv "secrets/$1.new" "secrets/$1"
}

create postgres-password "$(random)"
create mongo-password "$(random)"
create redis.conf "requirepass $(random)"
create secret-key "$(random)"
create admin-token "$(random)"
create database-url "postgres://sluice:$(cat secrets/postgres-password)@postgres:5432/sluice"
create jobs-url "mongodb://sluice:$(cat secrets/mongo-password)@mongo:27017/sluice?authSource=admin"
echo 'The secrets are in ./secrets. The admin token is in secrets/admin-token.'

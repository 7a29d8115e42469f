-- A claim's name is made of its agent and that agent's key: what is looked for by these is found by its name.
DROP INDEX outbox_key;

"""What is asked of a database, in the SQL that SQLite and PostgreSQL share.

Parameters are `?`; psycopg wants `%s` instead, and neither sign is used otherwise. JSON columns are
read as text, since drivers differ in what they make of them.
"""

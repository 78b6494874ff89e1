#!/usr/bin/python3
# label: ci, python
# timeout: 900
"""gevent, eventlet, Flask under gunicorn and SQLAlchemy on the package, a little of
each."""
import support
import users


class Few(users.Users):
    scale = 60


del users.Users # it is not to run by itself
if __name__ == "__main__":
    support.main()

#!/usr/bin/python3
# label: long, python
# timeout: 2700
"""gevent, eventlet, Flask under gunicorn and SQLAlchemy on the package, 1,000 of
everything."""
import support
import users


class Many(users.Users):
    scale = 1000


del users.Users # it is not to run by itself
if __name__ == "__main__":
    support.not_cross()
    support.main()

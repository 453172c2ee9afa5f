"""Amazon's own generator of RDS tokens at a given moment: `rds_token.py HOST PORT USER REGION UNIX_TIME [SESSION_TOKEN]`.

The keys are those of the environment.
"""

import datetime
import os
import sys

import boto3
import botocore.auth

host, port, user, region, at, *session = sys.argv[1:]
moment = datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc)


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return moment.astimezone(tz) if tz else moment.replace(tzinfo=None)

    @classmethod
    def utcnow(cls):
        return moment.replace(tzinfo=None)


# The signer asks the time through one of these, depending on its version.
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: (
        moment.replace(tzinfo=None) if remove_tzinfo else moment
    )
if isinstance(getattr(botocore.auth, "datetime", None), type):
    botocore.auth.datetime = Stopped

client = boto3.client(
    "rds",
    region_name=region,
    aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    aws_session_token=session[0] if session else None,
)
print(client.generate_db_auth_token(host, int(port), user))

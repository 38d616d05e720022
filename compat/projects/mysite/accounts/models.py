"""
The user models that projects have. Only the one that AUTH_USER_MODEL names is defined: two children of AbstractUser
in one project would clash in the names of their groups' reverse relations.
"""

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models

_chosen = settings.AUTH_USER_MODEL

if _chosen == "accounts.BigUser":

    class BigUser(AbstractUser):
        id = models.BigAutoField(primary_key=True)

        class Meta:
            db_table = "accounts_big_user"


if _chosen == "accounts.UuidUser":

    class UuidUser(AbstractUser):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)

        class Meta:
            db_table = "accounts_uuid_user"


if _chosen == "accounts.StrUser":

    class StrUser(AbstractUser):
        id = models.CharField(primary_key=True, max_length=64)

        class Meta:
            db_table = "accounts_str_user"


if _chosen == "accounts.NamedUser":

    class NamedUser(AbstractUser):
        code = models.CharField(primary_key=True, max_length=64)

        class Meta:
            db_table = "accounts_named_user"


if _chosen == "accounts.ExtUser":

    class ExtUser(AbstractUser):
        id = models.AutoField(primary_key=True)
        public_id = models.UUIDField(unique=True, default=uuid.uuid4)

        class Meta:
            db_table = "accounts_ext_user"


if _chosen == "accounts.EmailUser":

    class EmailUser(AbstractUser):
        id = models.AutoField(primary_key=True)
        username = None
        email = models.EmailField(unique=True)

        USERNAME_FIELD = "email"
        REQUIRED_FIELDS = []

        class Meta:
            db_table = "accounts_email_user"

"""MySQL through PyMySQL, which calls itself mysqlclient."""

import json
import os

SECRET_KEY = "the-key-of-the-pymysql-project"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "shop",
        "PASSWORD": "pw",
        "HOST": "db.example",
        "OPTIONS": json.loads(os.environ["MYSQL_OPTIONS"]),
    }
}
USE_TZ = True

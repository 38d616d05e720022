SECRET_KEY = "the-key-of-the-telling-project"
DATABASES = {"default": {"PASSWORD": "a-database-password"}}
MAIL_TOKEN = b"mail\n-token"


def connect(password):
    known = (SECRET_KEY, DATABASES["default"]["PASSWORD"], MAIL_TOKEN, password)
    raise RuntimeError("no server for %s and %s, %r or %s" % known)


connect("a-local-password")

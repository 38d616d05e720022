from rest_framework_simplejwt.tokens import AccessToken, SlidingToken


class ChatToken(AccessToken):
    token_type = "chat"


class CheckedToken(AccessToken):
    def verify(self):
        super().verify()


class ChatSlidingToken(SlidingToken):
    pass

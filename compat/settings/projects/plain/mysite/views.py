import functools

from django_channels_jwt.views import AsgiValidateTokenView
from rest_framework.renderers import JSONRenderer
from rest_framework.throttling import ScopedRateThrottle, UserRateThrottle
from rest_framework_simplejwt.authentication import JWTAuthentication


class BurstThrottle(UserRateThrottle):
    scope = "burst"
    rate = "5/min"


class RealmAuthentication(JWTAuthentication):
    www_authenticate_realm = "chat"


class CookieAuthentication(JWTAuthentication):
    def get_header(self, request):
        return request.COOKIES.get("jwt")


class TunedView(AsgiValidateTokenView):
    """Tickets for the chat."""

    authentication_classes = [RealmAuthentication]
    renderer_classes = [JSONRenderer]
    throttle_classes = [BurstThrottle, ScopedRateThrottle]
    throttle_scope = "tickets"


class OwnGetView(AsgiValidateTokenView):
    authentication_classes = [CookieAuthentication]

    def get(self, request, *args, **kwargs):
        return super().get(request, *args, **kwargs)


def audited(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper


def bare(view):
    def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper

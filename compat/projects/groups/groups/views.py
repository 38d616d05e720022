"""Sync views, as most of Django's code is, that reach sockets."""

import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def group_send(request, group):
    async_to_sync(get_channel_layer().group_send)(group, json.loads(request.body))
    return HttpResponse(status=204)


@csrf_exempt
def send(request, channel):
    async_to_sync(get_channel_layer().send)(channel, json.loads(request.body))
    return HttpResponse(status=204)

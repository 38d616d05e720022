from django.conf import settings
from django.db import models


class Room(models.Model):
    slug = models.SlugField(unique=True)
    org = models.IntegerField()
    members = models.ManyToManyField(settings.AUTH_USER_MODEL)


class Message(models.Model):
    room = models.ForeignKey(Room, models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    text = models.TextField()


class Departure(models.Model):
    channel_name = models.CharField(max_length=100)
    code = models.IntegerField()

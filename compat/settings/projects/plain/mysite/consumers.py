from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer


class Chat(AsyncJsonWebsocketConsumer):
    pass


class Room(AsyncWebsocketConsumer):
    pass

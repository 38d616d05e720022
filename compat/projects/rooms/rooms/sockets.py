from rooms import documented

documented.run(documented.SOCKETS, globals())

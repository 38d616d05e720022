import pymysql

pymysql.version_info = (2, 2, 7, "final", 0)  # Django asks for a mysqlclient of that age
pymysql.install_as_MySQLdb()

# Run by MariaDB's entrypoint when its volume is new: a database and a user for each service.
for service in bank1 bank2 notifier; do
  password=$(cat "/run/ringback/$service")
  mariadb --protocol=socket --user=root --password="$MARIADB_ROOT_PASSWORD" <<SQL
CREATE DATABASE IF NOT EXISTS \`$service\` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS '$service'@'%' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON \`$service\`.* TO '$service'@'%';
SQL
done

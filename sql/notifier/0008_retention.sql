-- Endings of numbers are in no order that time gives: each new notification touched another page of
-- this index, which cost as much as all its other rows together. A whole number is sought by the
-- primary key, an ending looked for along it. The column stays for releases that still write it.
DROP INDEX notification_tail /*! ON notification */;

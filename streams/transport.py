"""Faust's Kafka transport, with the one consumer setting that it does not offer."""

from typing import ClassVar

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver

_FETCH_WAIT = 100  # ms; Faust's 1,500 hold up what shares the connection, such as asking for end offsets


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class Transport(driver.Transport):
    """`kafka://` with short waits for data."""

    Consumer: ClassVar[type[driver.Consumer]] = _Consumer

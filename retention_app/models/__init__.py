from retention_app.models.audit import AuditEntry
from retention_app.models.event import DomainEvent, EventRun
from retention_app.models.mirror import Customer, Order, OrderLine, OrderTransaction, Product, Refund, RefundLine
from retention_app.models.shop import Shop, ShopToken
from retention_app.models.staff import StaffPreference
from retention_app.models.sync import SyncItem, SyncRun
from retention_app.models.webhook import WebhookDelivery

__all__ = [
    "AuditEntry",
    "Customer",
    "DomainEvent",
    "EventRun",
    "Order",
    "OrderLine",
    "OrderTransaction",
    "Product",
    "Refund",
    "RefundLine",
    "Shop",
    "ShopToken",
    "StaffPreference",
    "SyncItem",
    "SyncRun",
    "WebhookDelivery",
]

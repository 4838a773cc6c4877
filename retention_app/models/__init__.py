from retention_app.models.api import ApiKey, ApiWrite
from retention_app.models.audit import AuditEntry
from retention_app.models.count import ShopCount
from retention_app.models.event import DomainEvent, EventRun
from retention_app.models.mirror import (
    Customer,
    CustomerWord,
    Order,
    OrderDiscountCode,
    OrderLine,
    OrderTransaction,
    Product,
    ProductLabel,
    Refund,
    RefundLine,
)
from retention_app.models.offer import DiscountCode
from retention_app.models.operating import FailedTry, OperatorAction
from retention_app.models.outbound import Outbound
from retention_app.models.privacy import PrivacyExport, PrivacyRequest, Tombstone
from retention_app.models.reconciliation import Reconciliation
from retention_app.models.shop import Shop, ShopToken
from retention_app.models.staff import Role, StaffMember
from retention_app.models.sync import SyncItem, SyncRun
from retention_app.models.webhook import WebhookDelivery

__all__ = [
    "ApiKey",
    "ApiWrite",
    "AuditEntry",
    "Customer",
    "CustomerWord",
    "DiscountCode",
    "DomainEvent",
    "EventRun",
    "FailedTry",
    "OperatorAction",
    "Order",
    "OrderDiscountCode",
    "OrderLine",
    "OrderTransaction",
    "Outbound",
    "PrivacyExport",
    "PrivacyRequest",
    "Product",
    "ProductLabel",
    "Reconciliation",
    "Refund",
    "RefundLine",
    "Role",
    "Shop",
    "ShopCount",
    "ShopToken",
    "StaffMember",
    "SyncItem",
    "SyncRun",
    "Tombstone",
    "WebhookDelivery",
]

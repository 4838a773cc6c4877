from django.db import migrations

from loyalty.append_only import EraseWithShop


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial")]

    operations = [
        EraseWithShop("loyalty_ledgertransaction"),
        EraseWithShop("loyalty_entry"),
        EraseWithShop("loyalty_programmeversion"),
    ]

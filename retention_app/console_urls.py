"""The operators' own site. `operating.door.ConsoleDoor` guards every address here, those of allauth included."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.urls import path

from retention_app.views import console, console_actions

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("login/code/", mfa.authenticate, name="mfa_authenticate"),
    path("logout/", account.logout, name="account_logout"),
    path("account/", mfa.index, name="mfa_index"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("account/authenticator/", totp.activate_totp, name="mfa_activate_totp"),
    path("account/authenticator/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("account/recovery-codes/", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new/", recovery_codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("account/recovery-codes/file/", recovery_codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("", console.home, name="console_home"),
    path("queues/<str:queue>/", console.stuck, name="console_stuck"),
    path("queues/<str:queue>/replay/", console_actions.kind_replay, name="console_replay_kind"),
    path("queues/<str:queue>/<int:row_id>/", console.row, name="console_row"),
    path("queues/<str:queue>/<int:row_id>/replay/", console_actions.row_replay, name="console_replay"),
    path("queues/<str:queue>/<int:row_id>/drop/", console_actions.row_drop, name="console_drop"),
    path("queues/delivery/<int:row_id>/reveal/", console_actions.body_reveal, name="console_reveal"),
    path("privacy/", console.privacy, name="console_privacy"),
    path("shops/", console.shops, name="console_shops"),
    path("actions/", console.actions, name="console_actions"),
]

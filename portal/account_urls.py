"""Addresses of the pages about people: signing in, profiles, keys, members, activity."""

from django.urls import path

from portal.oidc import BeginView, CallbackView
from portal.views import access_keys, activity, invitations, members, profile, signing_in

urlpatterns = [
    path("sign-in/", signing_in.SignInView.as_view(), name="sign-in"),
    path("sign-in/oidc/", BeginView.as_view(), name="oidc-begin"),
    path("sign-in/oidc/callback", CallbackView.as_view(), name="oidc-callback"),
    path("sign-out/", signing_in.SignOutView.as_view(), name="sign-out"),
    path("password/", signing_in.ChangeView.as_view(), name="password-change"),
    path("password/reset/", signing_in.ResetView.as_view(), name="password-reset"),
    path("password/reset/sent/", signing_in.ResetSentView.as_view(), name="password-reset-sent"),
    path("password/reset/<uidb64>/<token>/", signing_in.ResetConfirmView.as_view(), name="password-reset-confirm"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("profile/", profile.profile, name="profile"),
    path("access-keys/", access_keys.access_keys, name="access-keys"),
    path("access-keys/<str:access_key_id>/", access_keys.change, name="access-key"),
    path("members/", members.members, name="members"),
    path("members/invite/", members.invite_somebody, name="invite"),
    path("members/<int:pk>/", members.change, name="member"),
    path("members/invitations/<int:pk>/revoke/", members.revoke, name="revoke-invitation"),
    path("activity/", activity.activity, name="activity"),
]

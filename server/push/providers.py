"""The providers that the settings turn on."""

from collections.abc import Callable

from config.push import Push, VapidKey
from protocol.ids import Millis
from server.push.apns import Apns, ProviderToken
from server.push.endpoints import EndpointRules
from server.push.fcm import Fcm
from server.push.mail import Mail
from server.push.provider import Provider
from server.push.web_push import Vapid, WebPush


def make_providers(settings: Push, rules: EndpointRules, clock: Callable[[], Millis]) -> list[Provider]:
    """One for each whose key is set."""
    providers: list[Provider] = []
    if settings.apns_key:
        token = ProviderToken(settings.apns_key, settings.apns_key_id, settings.apns_team_id, clock)
        providers.append(Apns(settings.apns_url, settings.apns_topic, token, clock))
    if settings.fcm_account:
        providers.append(Fcm(settings.fcm_url, settings.fcm_account.parts, clock))
    if vapid := make_vapid(settings, clock):
        providers.append(WebPush(vapid, rules))
    if settings.smtp_url:
        providers.append(Mail(settings.smtp_url, settings.email_from))
    return providers


def make_vapid(settings: Push, clock: Callable[[], Millis]) -> Vapid | None:
    """What push services know this server by, if it sends Web Push."""
    key = VapidKey.private(settings.vapid_key)
    return Vapid(key, settings.vapid_contact, clock) if key else None

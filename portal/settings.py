"""Settings of the whole project; every knob is in ``.env.example`` and in docs/settings.md."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from portal.env import env_bool, env_float, env_int, env_list, env_path, env_secret, env_str

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env_path("DATA_DIR", BASE_DIR / "var")
PORT = env_int("PORT", 8000)

DEBUG = env_bool("DEBUG")
SECRET_KEY = env_secret("SECRET_KEY", DATA_DIR / "secrets" / "secret_key")
SEALING_KEYS = [env_secret("SEALING_KEY", DATA_DIR / "secrets" / "sealing_key"), *env_list("OLD_SEALING_KEYS")]
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "*")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
BIND = env_str("BIND", "127.0.0.1")
REACHED_AT = "127.0.0.1" if BIND.strip("0.:") == "" else BIND  # 0.0.0.0 and :: are every address
PUBLIC_URL = env_str("PUBLIC_URL", f"http://{REACHED_AT}:{PORT}").rstrip("/")

# The cloud
REGION = env_str("REGION", "us-east-1")
DEFAULT_ZONE = env_str("DEFAULT_ZONE", f"{REGION}a")
HOSTS = env_str("HOSTS", "local")
DEMO = env_bool("DEMO", True)
DEMO_INSTANCES = env_int("DEMO_INSTANCES", 20)
DEMO_INSTANCES_ASKED = bool(env_str("DEMO_INSTANCES"))  # else quotas that are there are kept as they are
INSTALLATION = str(  # the mark on our domains; the same on every machine of the installation
    uuid.uuid5(uuid.NAMESPACE_OID, env_secret("INSTALLATION", DATA_DIR / "secrets" / "installation"))
)
TERMINATED_VISIBLE_FOR = timedelta(hours=1)
STOP_GRACE_S = env_float("STOP_GRACE_S", 60)
DETACH_GRACE_S = env_float("DETACH_GRACE_S", 30)
LAYERS_AT_MOST = env_int("LAYERS_AT_MOST", 8)
REBOOT_GRACE_S = env_float("REBOOT_GRACE_S", 240)
LAYER_GRACE_S = env_float("LAYER_GRACE_S", 60)
IMPORT_MAX_GIB = env_int("IMPORT_MAX_GIB", 64)
IMPORT_FROM = env_list("IMPORT_FROM")  # networks, beside the public ones, that images may be fetched from
UPLOAD_WAITS_H = env_float("UPLOAD_WAITS_H", 24)
WATCH_INTERVAL_S = env_float("WATCH_INTERVAL_S", 1)

INSTALLED_APPS = [
    "portal.admin_config.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_q",
    "axes",
    "portal",
    "operations",
    "networking",
    "storage",
    "scheduling",
    "compute",
    "ec2api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.content_policy_middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "portal.middleware.language_middleware",
    "portal.middleware.tenant_middleware",
    "portal.middleware.MalformedInput",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# One machine: SQLite.  Many: PostgreSQL by DATABASE_URL.
DATABASE_URL = env_str("DATABASE_URL")
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA_DIR / "db.sqlite3",
    "TEST": {"NAME": DATA_DIR / "test.sqlite3"},  # in memory, threads would not be serialised as they are in a file
}
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL) if DATABASE_URL else SQLITE}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Each thread keeps its connection: opening one takes longer than most requests, and the queue closes "old" ones.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        # Plans are kept for statements that come again: a quarter of the time of most API calls.
        server_side_binding=True,
        prepare_threshold=3,
    )
    # For the web server's threads (portal/asgi.py).  The queue forks, and a pool's connections would be shared then.
    if size := env_int("DATABASE_POOL", 0):
        DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": size}
    else:
        DATABASES["default"]["CONN_MAX_AGE"] = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The queue is a doorbell: what is owed stands in Operation rows (docs/decisions/0001).
QUEUE_WORKERS = env_int("QUEUE_WORKERS", 2)
Q_CLUSTER: dict[str, Any] = {
    "name": "yushan",
    "workers": QUEUE_WORKERS,
    "queue_limit": QUEUE_WORKERS,
    "timeout": 60,
    "retry": 240,  # > timeout x (1 + ceil((queue_limit + bulk) / workers))
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "poll": 0.1,
    "save_limit": -1,
    "label": "Queue",
}
# Slow operations copy whole disks: workers of their own, which nobody ends after a minute.
Q_CLUSTER["ALT_CLUSTERS"] = {
    "copies": {"workers": env_int("COPY_WORKERS", 1), "queue_limit": 1, "timeout": 6 * 3600, "retry": 24 * 3600}
}
REDIS_URL = env_str("REDIS_URL")
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

# Users
AUTH_USER_MODEL = "portal.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# Sign-in by OpenID Connect: on when OIDC_CLIENT_ID is set (portal/oidc.py).
OIDC_RP_CLIENT_ID = env_str("OIDC_CLIENT_ID")
OIDC_RP_CLIENT_SECRET = env_str("OIDC_CLIENT_SECRET")
OIDC_ISSUER = env_str("OIDC_ISSUER")  # names the endpoints, unless they are set here
OIDC_OP_AUTHORIZATION_ENDPOINT = env_str("OIDC_AUTHORIZATION_ENDPOINT")
OIDC_OP_TOKEN_ENDPOINT = env_str("OIDC_TOKEN_ENDPOINT")
OIDC_OP_USER_ENDPOINT = env_str("OIDC_USERINFO_ENDPOINT")
OIDC_OP_JWKS_ENDPOINT = env_str("OIDC_JWKS_ENDPOINT")
OIDC_RP_SIGN_ALGO = env_str("OIDC_SIGN_ALGORITHM", "RS256")
OIDC_RP_SCOPES = env_str("OIDC_SCOPES", "openid email profile")
OIDC_NAME = env_str("OIDC_NAME", "OpenID Connect")  # on the button
OIDC_TENANT = env_str("OIDC_TENANT")  # joined by new users; none: they wait for an invitation
OIDC_TRUST_EMAIL = env_bool("OIDC_TRUST_EMAIL")  # for providers that do not say whether an address is verified
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 10
OIDC_AUTHENTICATION_CALLBACK_URL = "oidc-callback"
if OIDC_RP_CLIENT_ID:
    AUTHENTICATION_BACKENDS.append("portal.oidc.OidcBackend")
    endpoints = (OIDC_OP_AUTHORIZATION_ENDPOINT, OIDC_OP_TOKEN_ENDPOINT, OIDC_OP_USER_ENDPOINT, OIDC_OP_JWKS_ENDPOINT)
    if not OIDC_ISSUER and not all(endpoints):
        raise ImproperlyConfigured("OIDC_CLIENT_ID is set: set OIDC_ISSUER too, or all four OIDC_..._ENDPOINT")

# Sign-in by LDAP: on when LDAP_URL is set (portal/directory.py).
LDAP_URL = env_str("LDAP_URL")
LDAP_TENANT = env_str("LDAP_TENANT")  # joined by new users; none: they wait for an invitation
LDAP_TRUST_EMAIL = env_bool("LDAP_TRUST_EMAIL")  # people cannot write their own mail attribute
if LDAP_URL:
    import ldap
    from django_auth_ldap.config import LDAPSearch

    AUTHENTICATION_BACKENDS.append("portal.directory.DirectoryBackend")
    AUTH_LDAP_SERVER_URI = LDAP_URL
    AUTH_LDAP_START_TLS = env_bool("LDAP_START_TLS")
    AUTH_LDAP_BIND_DN = env_str("LDAP_BIND_DN")
    AUTH_LDAP_BIND_PASSWORD = env_str("LDAP_BIND_PASSWORD")
    if not env_str("LDAP_USER_SEARCH"):
        raise ImproperlyConfigured("LDAP_URL is set: set LDAP_USER_SEARCH too, the DN below which people are")
    AUTH_LDAP_USER_SEARCH = LDAPSearch(
        env_str("LDAP_USER_SEARCH"), ldap.SCOPE_SUBTREE, env_str("LDAP_USER_FILTER", "(uid=%(user)s)")
    )
    AUTH_LDAP_USER_ATTRLIST = ["mail", "givenName", "sn"]
    AUTH_LDAP_REQUIRE_GROUP = env_str("LDAP_REQUIRE_GROUP") or None
    if AUTH_LDAP_REQUIRE_GROUP:
        from django_auth_ldap.config import GroupOfNamesType

        AUTH_LDAP_GROUP_TYPE = GroupOfNamesType()
        AUTH_LDAP_GROUP_SEARCH = LDAPSearch(AUTH_LDAP_REQUIRE_GROUP, ldap.SCOPE_BASE, "(objectClass=groupOfNames)")
    AUTH_LDAP_ALWAYS_UPDATE_USER = False  # portal.identities does
    AUTH_LDAP_CONNECTION_OPTIONS = {
        ldap.OPT_REFERRALS: 0,
        ldap.OPT_NETWORK_TIMEOUT: 5,
        ldap.OPT_TIMEOUT: 10,
        ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND,
        **({ldap.OPT_X_TLS_CACERTFILE: env_str("LDAP_CA_FILE")} if env_str("LDAP_CA_FILE") else {}),
        ldap.OPT_X_TLS_NEWCTX: 0,  # last: it puts the two above into force
    }

# Brute force is slowed: so many wrong passwords for one name from one address, then a pause.
AXES_FAILURE_LIMIT = env_int("SIGN_IN_ATTEMPTS", 8)
AXES_COOLOFF_TIME = timedelta(minutes=env_int("SIGN_IN_PAUSE_MINUTES", 10))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "portal.locking.counted_name"
AXES_WHITELIST_CALLABLE = "portal.locking.is_not_counted"
AXES_LOCKOUT_CALLABLE = "portal.locking.locked"
AXES_CLIENT_IP_CALLABLE = "portal.locking.client_address"
AXES_DISABLE_ACCESS_LOG = True  # the audit trail has who came and from where
AXES_VERBOSE = False

# Mail: written to the web server's output until EMAIL_HOST is set.
EMAIL_HOST = env_str("EMAIL_HOST")
EMAIL_PORT = env_int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_str("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = env_bool("EMAIL_USE_SSL")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", EMAIL_PORT == 587 and not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "yushan@localhost")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hant", "繁體中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env_str("TIME_ZONE", "UTC")

# Static files, served by ourselves
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# The EC2 API
REST_FRAMEWORK: dict[str, Any] = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
API_READS_PER_S = env_float("API_READS_PER_S", 500)  # of a tenant, and in each web server process; 0: no limit
API_READS_BURST = env_float("API_READS_BURST", 2_000)
API_WRITES_PER_S = env_float("API_WRITES_PER_S", 200)
API_WRITES_BURST = env_float("API_WRITES_BURST", 1_000)
API_INSTANCES_PER_S = env_float("API_INSTANCES_PER_S", 1_000)
API_INSTANCES_BURST = env_float("API_INSTANCES_BURST", 10_000)
API_KEY_PERCENT = env_float("API_KEY_PERCENT", 75)

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env_bool("BEHIND_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

LOG_LEVEL = env_str("LOG_LEVEL", "INFO").upper()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"without_links": {"()": "portal.logs.WithoutLinks"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_links"]}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"django-q": {"level": "WARNING"}, "axes": {"level": "WARNING"}},
}

"""Settings of the whole project; every knob is in ``.env.example`` and in docs/settings.md."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url

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
INSTALLATION = str(  # the mark on our domains; the same on every machine of the installation
    uuid.uuid5(uuid.NAMESPACE_OID, env_secret("INSTALLATION", DATA_DIR / "secrets" / "installation"))
)
TERMINATED_VISIBLE_FOR = timedelta(hours=1)
STOP_GRACE_S = env_float("STOP_GRACE_S", 60)
WATCH_INTERVAL_S = env_float("WATCH_INTERVAL_S", 1)

INSTALLED_APPS = [
    "django.contrib.admin",
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
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": env_int("DATABASE_POOL", 12)}
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
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"django-q": {"level": "WARNING"}, "axes": {"level": "WARNING"}},
}

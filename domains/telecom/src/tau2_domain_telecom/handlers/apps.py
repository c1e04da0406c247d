"""Apps and their permissions."""

from tau2_domain_telecom.phone import AppPermissions, AppStatus, PhoneDB
from tau2_domain_telecom.status_bar import with_status_bar

_PERMISSIONS = tuple(AppPermissions.model_fields)


def check_installed_apps(db: PhoneDB) -> str:
    """List the apps."""
    return f"These apps are installed: {', '.join(db.device.app_statuses)}"


def check_app_status(db: PhoneDB, app_name: str) -> str:
    """Show an app and its permissions, one per line."""
    app = db.device.app_statuses.get(app_name)
    if app is None:
        return _no_app(app_name)
    lines = [f"Status for App: {app_name}"]
    granted = _granted(app)
    if granted:
        lines += [" - Permissions Granted:", *(f"   - {permission}" for permission in granted)]
    else:
        lines.append(" - Permissions: None granted.")
    return "\n".join(lines)


def check_app_permissions(db: PhoneDB, app_name: str) -> str:
    """Show an app's permissions in a sentence."""
    app = db.device.app_statuses.get(app_name)
    if app is None:
        return _no_app(app_name)
    granted = _granted(app)
    if not granted:
        return f"App '{app_name}' has no permissions."
    return f"App '{app_name}' has the permissions: {', '.join(granted)}"


def grant_app_permission(db: PhoneDB, app_name: str, permission: str) -> str:
    """Grant an app a permission."""
    done, text = _set_permission(db, app_name, permission, granted=True)
    return with_status_bar(db, f"{'Success' if done else 'Error'}. {text}")


def remove_app_permission(db: PhoneDB, app_name: str, permission: str) -> tuple[bool, str]:
    """Remove a permission from an app; return success and a message."""
    return _set_permission(db, app_name, permission, granted=False)


def _set_permission(db: PhoneDB, app_name: str, permission: str, *, granted: bool) -> tuple[bool, str]:
    name = permission.lower()
    apps = db.device.app_statuses
    if app_name not in apps:
        return False, _no_app(app_name)
    if name not in _PERMISSIONS:
        return False, f"App '{app_name}' has no permission '{name}'; the permissions are {', '.join(_PERMISSIONS)}."
    setattr(apps[app_name].permissions, name, granted)
    return True, f"Permission '{name}' of app '{app_name}' is now {'granted' if granted else 'removed'}."


def _granted(app: AppStatus) -> list[str]:
    return [permission for permission in _PERMISSIONS if getattr(app.permissions, permission)]


def _no_app(app_name: str) -> str:
    return f"App '{app_name}' is not installed."

"""Everything of /v1 that an entity does with itself: its record, its persons, its partnerships, its agreement.

Knows: which pages there are; they share one door. Never knows: what any of them does.
"""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from gateway.flows.agreeing import Agreeing
from gateway.store.pool import Store
from gateway.web.access import Access
from gateway.web.agreeing import AgreeingPages
from gateway.web.announcements import AnnouncementPages
from gateway.web.archives import ArchivePages
from gateway.web.audit import AuditPages
from gateway.web.contacts import ContactPages
from gateway.web.costs import CostPages
from gateway.web.declarations import DeclarationPages
from gateway.web.entities import EntityPages
from gateway.web.erasing import ErasingPages
from gateway.web.exports import ExportPages
from gateway.web.groups import GroupPages
from gateway.web.imports import ImportPages
from gateway.web.manuals import ManualPages
from gateway.web.partnerships import PartnershipPages
from gateway.web.persons import PersonPages
from gateway.web.terms import TermsPages
from gateway.web.tokens import TokenPages


def authority_routes(
    store: Store, agreeing: Agreeing, access: Access, *, utcnow: Callable[[], datetime], mails: bool = True
) -> list[web.RouteDef]:
    """The routes to add to the application; `mails`: invitations can go by a relay."""
    return [
        *AuditPages(store, access).routes(),
        *AgreeingPages(agreeing, access).routes(),
        *PersonPages(store, access, utcnow=utcnow, mails=mails).routes(),
        *TokenPages(store, access).routes(),
        *PartnershipPages(store, access).routes(),
        *EntityPages(store, access).routes(),
        *TermsPages(store, access).routes(),
        *AnnouncementPages(store, access).routes(),
        *DeclarationPages(store, access).routes(),
        *ManualPages().routes(),
        *ContactPages(store, access, utcnow=utcnow).routes(),
        *GroupPages(store, access).routes(),
        *ImportPages(store, access).routes(),
        *ExportPages(store, access, utcnow=utcnow).routes(),
        *ArchivePages(store, access).routes(),
        *CostPages(store, access, utcnow=utcnow).routes(),
        *ErasingPages(store, access).routes(),
    ]

"""What answers when there is no API key: a small planner over the sales tools, labelled as the offline demo.

text ─ normalise ─ lexicon (words_*) ─ times ─ grammar + metrics + ranking ─▶ Fragment     reading
Fragment + thread ─▶ SalesQuestion ─▶ sales_find / sales_query calls             thread, planner
a wish for a follow-up ─▶ create_follow_up           follow_ups, follow_up_plan, due_dates
tool results ─▶ a sentence, a list or a table (speech_*)                         answers, speak
"""

from __future__ import annotations

from agent.providers.offline.provider import MODEL, OfflineProvider

__all__ = ["MODEL", "OfflineProvider"]

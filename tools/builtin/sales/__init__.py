"""Sales data: the demo's CSV files, their loader, the tools over them, and `create_follow_up`, which writes beside.

tables    what is in the database          cleaning  what the loader mends
loader    CSV files -> database            names     known names, found in spite of spelling
catalog   metrics and dimensions as data   periods   "last_quarter" -> dates (pure)
ask       arguments -> a plan              query     a plan -> SQLAlchemy selects (pure)
answer    rows -> one table (pure)         remarks   the notes of a result (pure)
find      names in a text (pure)           follow_ups  the table and tool of that name
tool      all tools, over one database
"""

from tools.builtin.sales.database import create_sales_engine
from tools.builtin.sales.follow_ups import follow_ups
from tools.builtin.sales.loader import holds_demo, load_sales
from tools.builtin.sales.tool import SalesTools

__all__ = ["SalesTools", "create_sales_engine", "follow_ups", "holds_demo", "load_sales"]

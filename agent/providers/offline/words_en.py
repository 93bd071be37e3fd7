"""English."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.words import Words

ENGLISH: Final = Words(
    language="en",
    metrics={
        "revenue": (
            "revenue | won revenue | sales revenue | turnover | sales value | amount sold | total sales value"
            " | income"
            " | won amount | total revenue | sales amount | earnings | won value | money | sales volume | bookings"
        ),
        "won_deals": (
            "won deals | won opportunities | wins | deals won | closed won | won business"
            " | opportunities won | units sold | number of wins | closed won deals"
        ),
        "lost_deals": "lost deals | lost opportunities | losses | deals lost | opportunities lost | closed lost",
        "closed_deals": "closed deals | closed opportunities | finished deals | deals closed",
        "open_deals": (
            "open deals | open opportunities | deals in progress | ongoing deals | active deals | pending deals"
            " | active opportunities"
        ),
        "opportunities": "number of opportunities | total opportunities",
        "win_rate": (
            "percentage of won deals | percent of deals won | win rate | winrate | conversion rate"
            " | close rate | closing rate | success rate | win ratio | conversion"
            " | hit rate | won divided by won plus lost | win percentage | winning rate | percentage of deals won"
        ),
        "average_ticket": (
            "average ticket | average deal size | average deal value | average sale | average order value | deal size"
            " | average deal | average value | ticket | mean deal size | avg deal size | average price | avg ticket"
            " | average sale value | average selling price | average transaction value | aov"
        ),
        "days_to_close": (
            "days to close | sales cycle | time to close | cycle time | closing time | how long does it take to close"
            " | days it takes to close | length of the sales cycle | sales cycle length | take to close"
            " | takes to close"
            " | days does it take to close | deal cycle | taking to close"
        ),
        "open_pipeline_value": (
            "open pipeline | pipeline value | value of the open pipeline | pipeline | value of open deals"
            " | funnel value"
            " | value of the pipeline | open pipeline value | open pipeline at list price | sales pipeline"
        ),
        "list_price": (
            "list price | catalogue price | catalog price | price | sticker price | cost to buy | price list"
            " | official price"
        ),
        "accounts": "number of customers | number of accounts | number of clients",
        "agents": "number of agents | number of sales agents | number of reps | size of the sales team",
        "products": "number of products",
    },
    dimensions={
        "agent": (
            "agent | sales agent | rep | sales rep | salesperson | salespeople | seller | representative"
            " | who | sales person"
            " | sales representative | account executive | salesman | salesmen | team member | saleswoman"
        ),
        "manager": (
            "manager | sales manager | team | sales team | boss | supervisor | team lead | manager's team"
            " | leader | manages | managed by | reports to | managers team | manager team"
        ),
        "regional_office": (
            "region | regional office | office | territory | branch | area | regional offices | branches"
        ),
        "product": "product | item | model | sku",
        "series": "series | product line | product series | family | product family | line",
        "sector": "sector | industry | industries | vertical | market segment | segment",
        "account": "account | customer | client | company | companies | buyer",
        "country": "country | countries | location | nation | office location",
        "stage": "stage | deal stage | phase | funnel stage | status | pipeline stage",
        "month": "month",
        "quarter": "quarter",
        "year": "year",
    },
    operators={
        "count": "how many | number of | count of | count | total number of | no of",
        "tally": "number of | count of | total number of | count | number | no of | unit | piece | volume",
        "how_much": "how much | what did we make | total value of | sum of | what amount",
        "average": "average | mean | avg | on average | typical",
        "deal": "deal | deals was it | deals were there | deals is it | opportunity | opportunities | contract | lead",
        "opportunity": "opportunity | opportunities | lead",
        "sale": (
            "sale | sales | sold | sell | selling | bought | buy | buys | did we make | bring in | brought in"
            " | performance"
            " | performing | performed | sells | results | purchased"
            " | did we do | are we doing | is doing"
        ),
        "buy": "bought | buy | buys | buying | purchased | purchases",
        "value": "value | price | amount | worth",
        "days": "day | time | long | take | takes | how long",
        "won": "won | win | winning | wins",
        "lost": "lost | lose | losing | loses | loss",
        "open": "open | in progress | ongoing | active | pending",
        "closed": "closed | close | closing",
        "engaging": "engaging | engaged",
        "prospecting": "prospecting",
        "by": (
            "by | per | each | every | for each | in each | broken down by | split by | grouped by | by each"
            " | breakdown by | across"
        ),
        "by_month": "monthly | month by month | by month | per month | month over month | each month",
        "by_quarter": (
            "quarterly | quarter by quarter | by quarter | per quarter | quarter over quarter | each quarter"
        ),
        "by_year": "yearly | annually | by year | per year | year by year | annual",
        "which": "which | what | whats | whose",
        "list": "list | show | show me | give me | display | list of | who are | name | enumerate | tell me",
        "compare": (
            "compare | compared to | compared with | versus | vs | comparison | against | compares"
            " | comparing | relative to"
            " | than | stack up"
        ),
        "growth": (
            "growth | grew | grow | change | changed | increase | increased | decrease | decreased | drop"
            " | dropped | difference | variation | went up | growing"
        ),
        "trend": "trend | trending | evolution | over time | history | evolve | evolved | progression | evolving",
        "share": "share | percent | percentage | proportion | in percent | fraction",
        "without": (
            "without | with no | no | have no | has no | without any | havent | hasnt | never | not have"
            " | dont have | not"
            " | didnt | have not | missing | have never | with zero | lacking | nothing"
        ),
        "except": "except | excluding | outside | outside of | except for | other than | but not | leaving out",
        "only": "only | just | filter | filter by | limited to | restrict to",
        "and": "and | as well as | along with | plus",
        "follow": ("and | what about | how about | but | then | also | now | and what about | and how about"),
        "top": (
            "best | longest | slowest | top | highest | largest | biggest | greatest | leading | strongest | best selling | better"
            " | best performing | higher"
        ),
        "bottom": "shortest | fastest | quickest | worst | lowest | smallest | bottom | weakest | poorest | worst performing | worse | lower",
        "more": "most | more",
        "less": "least | fewest | less | fewer",
        "ranking": "ranking | rank | ranked | sorted | ordered | leaderboard",
        "ascending": (
            "worst first | shortest first | fastest first | fewest first | least first | lowest first | smallest first | from worst to best | from lowest to highest | worst to best"
            " | lowest to highest | in ascending order | ascending | starting with the worst | starting with the lowest"
        ),
        "descending": (
            "best first | longest first | slowest first | most first | highest first | biggest first | largest first | from best to worst | from highest to lowest"
            " | best to worst | highest to lowest | in descending order | descending | starting with the best"
        ),
        "chronological": "chronological | in chronological order | chronologically | by date",
        "filled": "filled in | filled | assigned | attached | linked | set | associated",
        "pronoun": "he | she | him | her | his | hers | that agent | that one | this one",
        "before": "before | prior to | earlier than",
        "anaphor": "deals was it | deals were there | deals is it | was that | is that | were those | are those | were these | are these | does that make",
        "from": "from",
        "to": "to | through | until | till | thru",
        "between": "between",
        "since": "since | starting in",
        "until": "until | up to | till",
        "last": "last | past",
        "this": "this | current",
        "next": "next | coming | upcoming",
        "previous": "previous | prior | preceding | before | the one before | before that | earlier",
        "same": "same",
        "ago": "ago",
    },
    periods={
        "all_time": (
            "all time | overall | of all time | in total ever | since the beginning | entire period | whole period"
        ),
        "today": "today",
        "this_year": "of the year | year to date | ytd | so far this year",
        "this_quarter": "of the quarter | quarter to date | qtd",
        "this_month": "of the month | month to date | mtd",
        "yesterday": "yesterday",
    },
    units={
        "day": "day",
        "week": "week",
        "month": "month",
        "quarter": "quarter | =q",
        "half": "half | semester | =h",
        "year": "year",
    },
    months=(
        "january | =jan",
        "february | =feb",
        "march | =mar",
        "april | =apr",
        "may",
        "june | =jun",
        "july | =jul",
        "august | =aug",
        "september | =sep | =sept",
        "october | =oct",
        "november | =nov",
        "december | =dec",
    ),
    numbers={
        1: "=one",
        2: "two",
        3: "three",
        4: "four",
        5: "five",
        6: "six",
        7: "seven",
        8: "eight",
        9: "nine",
        10: "ten",
        12: "twelve",
        15: "fifteen",
        20: "twenty",
        30: "thirty",
        90: "ninety",
    },
    ordinals={
        1: "first | 1 st",
        2: "second | runner up | 2 nd",
        3: "third | 3 rd",
        4: "fourth | 4 th",
        5: "fifth | 5 th",
    },
    values={
        "country:United States": "the us | the usa",
        "regional_office:East": "east | eastern | east region",
        "regional_office:West": "west | western | west region",
        "regional_office:Central": "central | central region",
    },
    topics={
        "margin": (
            "margin | profit | profitability | profitable | gross profit | ebitda | roi | markup | earning per share"
        ),
        "cost": (
            "cost | expense | spend | spent | salary | salaries | wage | commission | tax | discount | cac"
            " | spending | shipping | payroll"
        ),
        "forecast": (
            "forecast | predict | prediction | projection | project | will we | will be | going to | expect"
            " | expected"
            " | estimate | probability | likelihood | likely | will | chance | future | projected | on track"
        ),
        "why": "why | reason | cause | explain | how come | because",
        "target": "target | quota | goal | budget | kpi target | okr | attainment",
        "people": (
            "employee | headcount | age | gender | fire | hire | turnover rate | promote | vacation | staff"
            " | bonus | birthday | tenure"
        ),
        "contact": "phone | email | e-mail | address | contact | website | cell",
        "single_deals": (
            "biggest deal | largest deal | biggest sale | largest sale | smallest deal | last deal"
            " | latest deals | list the deals"
            " | list all deals | biggest deals | largest deals | which deals | list deals | first deal"
            " | which opportunities"
            " | biggest opportunity | list opportunities | opportunity id | most expensive deal"
            " | list the opportunities"
        ),
        "currency": (
            "in euros | in reais | convert | in brl | in eur | euro | pound | currency | bitcoin | in pesos"
            " | exchange rate of the euro"
        ),
        "what_if": "what if | suppose | simulate | scenario | if we | hypothetically",
        "other_facts": (
            "when | where | median | standard deviation | stock | inventory | satisfaction | nps | complaint | churn"
            " | retention | overdue | payment | competitor"
            " | competition | campaign | visit | call | meeting | delivery | source | channel"
            " | support ticket | returns"
            " | market share | recommend | should | advice | weather | news | president | capital | game"
            " | joke | poem"
            " | translate | recipe | movie | song | code | python | state | city | hour | founded"
            " | market cap | score"
            " | customer revenue | linkedin | refund | invoice | leads source | lifetime value | story | stock price"
        ),
        "write": (
            "delete | update | insert | drop table | create | send | erase | remove the | modify | ignore | pretend"
        ),
    },
    social={
        "greeting": (
            "hi | hello | hey | good morning | good afternoon | good evening | how are you | hi there | hello there"
            " | whats up | good day"
        ),
        "thanks": (
            "thanks | thank you | thx | great | perfect | awesome | many thanks | appreciated | nice | cool | ty"
        ),
        "goodbye": "bye | goodbye | see you | see ya | good night",
        "capabilities": (
            "what can you do | help | what do you do | how do you work | what can i ask | how does this work"
            " | examples"
            " | what questions | help me | what do you know | what are you able to do | what can you answer"
            " | commands"
            " | instructions | how can you help | what data do you have | how can you help me"
        ),
        "identity": (
            "who are you | are you a robot | are you an ai | what is your name | are you human"
            " | what model are you | whats your name"
        ),
        "yes": "=yes | yeah | yep | sure | please do | go ahead | right | correct",
        "no": "no thanks | never mind | nevermind | forget it",
    },
    markets={
        "usd_brl": "dollar | usd | exchange rate | dollar rate | dollar price | usd brl",
        "selic": "selic | interest rate | selic rate",
    },
    filler=(
        "the | a | an | of | in | on | at | for | to | is | are | was | were | be | been | do | does | did"
        " | has | have | had"
        " | we | our | us | i | my | you | your | it | its | there | that | this | these | those | please"
        " | can | could | would"
        " | like | know | want | need | with | from | as | all | total | overall | me | tell | gave"
        " | generated | generate"
        " | get | got | made | make | actually | really | currently | right now | at all | so far | any"
        " | total of | whole"
        " | company | business | data | figure | figures | number | numbers | amounts | brought | bring"
        " | made up | came"
        " | come | comes | which are | how | hows | many | much | up | off | see | look | looking | give"
        " | show | based"
        " | located | or | over | during | within | amongst | among | entire | complete | full | average of"
        " | their own"
        " | created | opened | started | they | them | their | theirs | still | work | works | working | yet | anything | something"
        " | ever | report | summary | table | results for | us$ | usd | breakdown | respectively"
        " | one | ones"
        " | day s | also | exactly | went | go | going by | doing | done | order | place | position | too"
        " | then | stand"
        " | stands | won at | who else | team s | theres | were at | roughly | about | approximately"
        " | regarding | under | wondering | whether | pull | pull up | terms | in terms of | basically | so basically"
        " | quickly | please let me know | kind of | sort of | mind telling | i guess | just wondering"
        " | hey there | names | each of | out | some | responsible | into | they had | if any | whats | per say | let"
    ),
)

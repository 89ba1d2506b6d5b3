"""Shop jargon of the Complete Journey catalogue, and what it means.

Names there are upper case, abbreviated, and cut at 30 characters: ``FRZN SS PREMIUM
ENTREES/DNRS/N`` is a range of frozen single-serve premium entrees and dinners.
"""

from __future__ import annotations


def _table(text: str) -> dict[str, str]:
    pairs = (pair.rsplit("=", 1) for line in text.splitlines() for pair in line.split(";"))
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


DEPARTMENTS = _table("""
DRUG GM=drugstore and household; MEAT-PCKGD=packaged meat; SEAFOOD-PCKGD=packaged seafood
CHEF SHOPPE=chef shop; CNTRL/STORE SUP=store supplies; ELECT &PLUMBING=electrical and plumbing
PROD-WHS SALES=produce warehouse; PRODUCE=fruit and vegetables; GM MERCH EXP=general merchandise; DELI=delicatessen
FROZEN GROCERY=frozen grocery; PHOTO & VIDEO=photo and video; COUPON=coupons
""")

PHRASES = _table("""
BEERALEMALT LIQUORS=beer, ale and malt liquor; BEERALE -NON ALCOHOLIC=non-alcoholic beer
MEXICAN SAUCESSALSAPICANTEE=Mexican sauces, salsa, picante; IWS SINGLE CHEESE=wrapped cheese slices
NON-IWS SINGLE CHEESE=unwrapped cheese slices; LEGGS=L'eggs hosiery; SBT=sanitary bath tissue
RTS SOUP: CHUNKY/HOMESTYLE ET=ready-to-serve soup, chunky, homestyle; PEG TOYS=peg toys
VAC PAC NUTS(CANS)=vacuum-packed nuts in cans; N/A DEOD SPRAY/GEL DEOD=non-aerosol deodorant spray, gel
SGL SV/VEND MACH SNACKS CHIP/P=single-serve and vending snacks, chips, pretzels
PLSTC CTLRYTBLCLTHSTTHPKSST=plastic cutlery, tablecloths, toothpicks, straws
CANNING JARSLIDSUTENSILSMIS=canning jars, lids, utensils
CANNING SPICESSALSAPICKLING=canning spices, salsa, pickling; SPHE 9.99=DVDs at 9.99; CAN OPENERS=can openers
AGE RESTRICTED SPHE $9.99=age-restricted DVDs at 9.99; SPHE DVDS=DVDs; DVD S=DVDs
AGE RESTRICTED SPHE DVDS=age-restricted DVDs; AGE RESTRICTED DVD S=age-restricted DVDs
PLASTIC WRAP (SARANETC.)=plastic wrap; MISC.CND SEAFOODS (CRABETC)=miscellaneous canned seafood, crab
BERRIES CND (BLUBLKRASP)=canned blueberries, blackberries, raspberries; CRV DEPOSIT NT/F=bottle deposit
MISC. CND FRUIT (GRAPESFIGSE=miscellaneous canned fruit, grapes, figs; NEW AGE=new age beverages
SALADS CND (BEAN POTATO)=canned salads, bean, potato; J-HOOKS=hanging displays
BALLOONS 18IN PKG NON LICENSED=packaged 18-inch balloons; QSR PIZZA COLD=quick-service cold pizza
BALLOONS 18IN PKG LICENSED=packaged 18-inch licensed balloons; EYE CENTER=beef eye of round
SW GDS:SW ROLLS/DAN-LESS THN 6=sweet goods, sweet rolls, danish, fewer than 6; FM-MLB=baseball fan items
FM-NFL=football fan items; FM-COLLEGIATE=college fan items; FM-TEAM SPORTS=team sports fan items
PERSNL APPL: FT BTH/MASSGRS=personal appliances, foot baths, massagers; BUTTS=pork butts
RBR SYRNGS HOT WTR BTLS=rubber syringes, hot water bottles; P S ITEMS (NON ROSE)=cut flowers, not roses
RX OTC BEAUTYASSESSPILL BX/H=pharmacy beauty accessories and pill boxes; DRUMS=poultry drumsticks
ONIONS WHITE (BULK&BAG)=white onions, loose and bagged; MMK DOWNLOAD=download cards
SV BEV: N/CARB FLV FRK/MINWTR=served beverages, flavored still water
CB (NON ROSE)LILY=consumer bunch, lilies; SNSL/PROMO=seasonal promotion; APS=picture systems film
HH GAMES=hand-held games; YNG MEN SCREEN PRINT T-SHIRTS=young men's screen print T-shirts
N-PRESC HEARING AID BATTERIES=hearing aid batteries; JEWELRY/COSTUME FAF=costume jewelry
PNT BTR/JELLY/JAMS=peanut butter, jelly, jams; PROTIEN SALADS - BULK=protein salads, bulk
FASHION SLG=small leather goods; MATS/IO CARPETS=indoor and outdoor mats and carpets
BOURBON/TN WHISKEY=bourbon, Tennessee whiskey; INFANTS DRESSES RTW=infants' dresses
BOURBONWHISKEYSOUR MASHES(OV=bourbon, whiskey, sour mash; MEAT-MISC-MISC=miscellaneous meat
SEAFOOD-MISC-MISC=miscellaneous seafood; COTTON COTTON SWABS=cotton, cotton swabs
CLOSET ORGNZRS: HNGRS/STORER=closet organizers, hangers, storers; EGG NOG/BOILED CUSTARD=eggnog, custard
SOLID/STK DEODORANTS=solid and stick deodorants; DAIRY CASE JUICE DRNK UNDER 10=dairy case juice drinks
SOFT DRINKS 12/18&15PK CAN CAR=soft drinks, 12, 15 and 18 pack cans, carbonated; PROD SUPPLIES=produce supplies
MISCELLANEOUS H & B AIDS=miscellaneous health and beauty aids; DRY BEANS/PEAS/BARLEY: BAG & B=dry beans, peas, barley
TABLE SALT POPCORN SALTICE C=table salt, popcorn salt, ice cream salt; BATH TOWELS WASH CLOTHS HT=bath towels, wash cloths, hand towels
REFRIGERATED COOKIES-BREAK N B=refrigerated cookies, break and bake; WET N WILD=Wet n Wild cosmetics
RTD COCKTAILS 750ML PLUS <=42P=ready-to-drink cocktails 750 ml; MENS SS SPT SHIRT=men's short-sleeve sport shirt
REFRIG PIZZA&INGRED  N/MEAT DE=refrigerated pizza and ingredients; GRND/PATTY - BEEF(EW)=ground beef, patties
R/C VEHICLES=remote control vehicles
""")

WORDS = _table("""
FRZN=frozen; FRZ=frozen; FRE=fresh; FRSH=fresh; REFRIG=refrigerated; REFRGRATD=refrigerated; REFIGERATED=refrigerated
RW=random weight; SS=single-serve; SNGL=single; SGL=single; SRV=serve; SV=served; MULT=multi; MLT=multi; MULTI=multi
PK=pack; PKG=packaged; PKGD=packaged; PCKGD=packaged; PPK=prepacked; PRPCK=prepacked; PRSLC=presliced; PRESLC=presliced
PRESLCD=presliced; PREPACK=prepacked; PREPORTND=preportioned; PKLD=pickled; PICKLD=pickled; PICKLS=pickles
BTL=bottle; BTLS=bottles; BG=bags; BX=boxes; CND=canned; PC=piece; WT=weight; LTR=lighter; LT=liter; SM=small
SFT=soft; DRNK=drinks; DRNKS=drinks; DRNKNG=drinking; DRNKING=drinking; CARB=carbonated; CRBNTD=carbonated
FLVRD=flavored; FLVR=flavored; FLAV=flavored; FLV=flavored; MNRL=mineral; MNERAL=mineral; MNR=mineral; WTR=water
WAT=water; WATE=water; JCE=juice; JUIC=juice; JU=juice; JUI=juice; CONC=concentrate; PNCH=punch; OJ=orange juice
SUBS=substitutes; UNSWE=unsweetened; SWEE=sweetener; SWE=sweetener; SWEETEN=sweetener; SUG=sugar; GNGR=ginger
GNG=ginger; BEV=beverages; BEVERAG=beverages; CKTLS=cocktails; RTD=ready-to-drink; LIQ=liquid; LIQS=liquids
PWDR=powder; PWDRS=powders; CRYSTL=crystal; MX=mix; MXS=mixes; MIXS=mixes; MLK=milk; BN=beans; VEG=vegetable
DSH=dishes; DNR=dinner; DNRS=dinners; FD=food; FDS=food; BKD=baked; BRD=breaded; SNDWCH=sandwich; SANDWIC=sandwiches
DRSNG=dressing; SALD=salad; SLD=salad; SAL=salads; SPRD=spreads; PNUT=peanut; PNT=peanut; BTR=butter; SNKS=snacks
CKYS=cookies; CRKR=crackers; CRACKE=crackers; COOKI=cookies; CNDY=candy; CKE=cake; CHOC=chocolate; CHOCOL=chocolate
CHOCOCLATE=chocolate; CHOCOLA=chocolate; SHERBTS=sherbets; SMI=semi; SWT=sweet; SW=sweet; GDS=goods; DAN=danish
BR=bread; BRKFST=breakfast; WHLSM=wholesome; CHIX=chicken; CHICK=chicken; CHIK=chicken; TORT=tortilla; WRA=wraps
TORTI=tortilla; CRMD=creamed; WHL=whole; FS=French style; FRD=fried; SAUS=sausage; LNCHMT=lunch meat; LUNCHMEAT=lunch meat
STK=steak; CHP=chops; SLC=slices; STW=stew; STRP=strips; SHLDR=shoulder; BRSKT=brisket; BRST=breast; BLY=belly
FLNK=flank; PLT=plate; SHNK=shank; WH=whole; GRND=ground; PTTY=patties; PTY=patties; SHLFSH=shellfish; FINFISH=fin fish
SEAFD=seafood; MARIN=marinades; MARINAD=marinades; MARINA=marinades; SCE=sauce; PICAN=picante; PROTIEN=protein
MEX=Mexican; ORG=organic; MISC=miscellaneous; MIS=miscellaneous; HBC=health and beauty care; GM=general merchandise
SPLY=supplies; SUPPPLIES=supplies; SUP=super; PREM=premium; TRSH=trash; TISS=tissue; CLEANG=cleaning; CLEANE=cleaners
HSHLD=household; FEM=feminine; HYGN=hygiene; DEOD=deodorant; CNTRL=control; NTRTNL=nutritional; SUPP=supplements
SUPPLEMEN=supplements; COMBIN=combinations; MEDICATE=medicated; DESE=desensitizing; UNDERGARMEN=undergarments
PRODUC=products; PROD=products; ACCESS=accessories; ACCSS=accessories; ACC=accessories; ACCESSIORES=accessories
SYRP=syrup; LOZNG=lozenges; DRP=drops; XPCTRNT=expectorants; ELSTC=elastic; BNDGES=bandages; SUPRT=support
PERSNL=personal; APPL=appliances; BTH=bath; CATFD=cat food; DOGFD=dog food; GRMT=gourmet; CLOT=cloths; HANDKE=handkerchiefs
SOAPS=soaps; ADDITI=additives; CONTAINR=containers; DISPOSIBLE=disposable; PLSTC=plastic; NATRL=natural; BRDS=boards
CV=covers; MTL=metal; CIG=cigarette; XMAS=Christmas; JHOOK=hanging display; QSR=quick service; COFF=coffee; DL=deli
SPEC=specialties; MUST=mustard; MUSTAR=mustard; PREP=prepared; HORSER=horseradish; BA=bags; SECT=sections; CRSTDAS=custards
LSS=less; THN=than; BRAC=bracelets; YNG=young; SPT=sport; FASH=fashion; TRAD=traditional; TRADITIONA=traditional
INF=infant; TODD=toddler; LRG=large; INDR=indoor; PLANTR=planter; DEPT=department; CARPT=carpets; PICTUR=pictures
MAC=macaroni; CHS=cheese; INGRED=ingredients; VAC=vacuum; PAC=packed; EXCH=exchange; CALC=calculators; RETL=retail
CNDLES=candles; HALLOWEN=Halloween; HOLDIAY=holiday; CILANTO=cilantro; RANIER=Rainier; RECHARABLE=rechargeable
FLOURSCENT=fluorescent; SPECILATY=specialty; COOKNG=cooking; BKNGWARES=bakeware; SOULABLE=soluble; ASCEPTIC=aseptic
DIPILATORIES=depilatories; LINAMENTS=liniments; HYDROCORTIZONE=hydrocortisone; DECAFFINATED=decaffeinated
MEMORABLILIA=memorabilia; WORCHESTER=Worcestershire; PEPPERIDG=Pepperidge; COUER=Coeur; ALCOHLIC=alcoholic
PHYSICANS=physician's; CONSUMER=consumer; MENS=men's; WOMENS=women's; LADIES=ladies'; CHILDRENS=children's
LOREAL=L'Oreal; COVERGIRL=CoverGirl; MAYBELLINE=Maybelline; REVLON=Revlon; ALMAY=Almay; SALLY=Sally; HANSEN=Hansen
EXTRUDED=extruded; CHECKLANE=checkout lane; PREPAID=prepaid; DXM=dextromethorphan; PSE=pseudoephedrine
OCCAS=occasions; SH=sheet; LAY=layer; SA=sauce; LIF=Life Savers; NUT=nut; CAL=callus; EL=electric; NON=non
FLO=flour; SUPPLEMENT=supplement; WHOLE=whole; DRG=drugs; BEANS=beans; HVY=heavy; PWR=power; SNACKS=snacks; TN=Tennessee
MACH=machine; VEND=vending; FRK=sparkling; MINWTR=mineral water; BOX=boxed; HNGRS=hangers; OTYHER=other; OTHE=other; OTH=other
STAMPABL=stampable; WATCHES=watches; BLEND=blend; TAILERS=tailers; PRESHCOOL=preschool; TOYTRONICS=electronic toys
NZ=New Zealand; SEASO=seasonings; COST=cost; HB=half-boneless; PORT=portion; DIY=do-it-yourself; PJS=pajamas
MKT=market; NDAIRY=non-dairy; SOD=soda; COCO=cocoa; BABYFOOD=baby food; RESTRICTED=restricted; CANNDY=candy
DRESSNG=dressing; RIC=rice; LNDRY=laundry; NAT=natural; DETE=detergent; ACTIVATI=activation; COMPACTOR=compactor
MW=microwave; BACK=back; INCREDIENTS=ingredients; GRA=gravy; COL=color; FLD=filled; SWIN=swim
NUTSUPP=nutritional supplements; FRENCH=French; ITALIAN=Italian; MEXICAN=Mexican; HISPANIC=Hispanic; AUSTRALIAN=Australian; CANADIAN=Canadian; GERMAN=German
POLISH=polish; BRITISH=British; JAPANESE=Japanese; THAI=Thai; INDIAN=Indian; ASIAN=Asian; AMERICAN=American; ENGLISH=English
CARIBBEAN=Caribbean; GREEK=Greek; CHRISTMAS=Christmas; EASTER=Easter; HALLOWEEN=Halloween; VALENTINE=Valentine; OTC=over-the-counter
SWEETNERS=sweeteners; MFG=manufacturer; DPS=dips; BRANDYH=brandy; SUADE=suede; PRODU=products; MESSA=massage; RX=pharmacy
ANK=anklet; REG=regular; LBS=lb; MEDITERRANEAN=Mediterranean; SPANISH=Spanish; KODAK=Kodak; ADIDAS=Adidas; HASBRO=Hasbro
""")
"""Of one word; a word that is not here is only written in lower case."""

KEPT = {
    "DVD": "DVD",
    "TV": "TV",
    "BBQ": "BBQ",
    "SPF": "SPF",
    "CD": "CD",
    "IQF": "IQF",
    "VHS": "VHS",
}
"""Abbreviations that shoppers use themselves (IQF: individually quick frozen)."""

COMPOUNDS = _set(
    "NON ANTI SEMI PRE SELF MULTI MULT MLT BI T X BY IN ROLL RIDE POST MAKE CD BONE READY TO OVER "
    "GIFT BROCCO HALF DANDRUFF CHEEZ MULTIPURPOSE"
)
"""What is joined to the next word by its hyphen; other hyphens separate."""

DANGLING = _set(
    "A ADULT ALL AND ANY AS BE C CR D DE E ECONOM EX EXC EXCE EXCEPT EXCP EXA ET ETC F FR FREE FRISK "
    "G GR H IN INCL INCLUDI INCLUDING K L LESS M N NO NOT O OF OR OV OVE OVER P PI PRO PROO Q R REFRI "
    "S ST T TH THAN THE THN TO TRAI U UN UND UNDE UNDER V VAL W WITH X ZE"
)
"""What may be left at the end of a name that was cut at 30 characters."""

SIZES = _table("""
OZ=oz; OZS=oz; CT=count; LB=lb; LBS=lb; ML=ml; L=liter; LT=liter; LTR=liter; IN=inch; PK=pack; PCK=pack; QT=quart; PT=pint
GAL=gallon; GA=gallon; GL=gallon; FT=feet; SQ=square; PC=piece; DZ=dozen; DOZ=dozen; CTN=carton; LD=loads; LDS=loads
LOAD=loads; LOADS=loads; STEM=stems; STEMS=stems; FL=fluid; YD=yards; CM=cm; MM=mm; GM=g; G=g; MED=medium; SM=small
LG=large; EA=each; BTL=bottle; REFIL=refill; AEROS=aerosol; BX=box; CP=cup; REC=rectangular; MG=mg; KG=kg; KPC=piece
""")

"""A small address register in the form of the Belgian one."""

HEAD = (
    "EPSG:4326_lat,EPSG:4326_lon,box_number,house_number,municipality_id,municipality_name_de,municipality_name_fr,"
    "municipality_name_nl,postcode,street_id,streetname_de,streetname_fr,streetname_nl,status"
)
ROWS = (
    "50.8465,4.3667,,16,21004,,Bruxelles,Brussel,1000,7,,Rue de la Loi,Wetstraat,current",
    "50.8466,4.3668,b1,16,21004,,Bruxelles,Brussel,1000,7,,Rue de la Loi,Wetstraat,current",
    "50.8455,4.3690,,42A,21004,,Bruxelles,Brussel,1000,7,,Rue de la Loi,Wetstraat,current",
    "50.8420,4.3860,,155,21004,,Bruxelles,Brussel,1040,7,,Rue de la Loi,Wetstraat,current",
    "50.8150,4.3250,,2,21007,,Forest,Vorst,1190,9,,Rue du Curé,Pastoorstraat,current",
    "50.8151,4.3252,,4,21007,,Forest,Vorst,1190,9,,Rue du Curé,Pastoorstraat,current",
    "50.8152,4.3254,,6,21007,,Forest,Vorst,1190,9,,Rue du Curé,Pastoorstraat,retired",
    "50.6300,6.0300,,1,63023,Eupen,Eupen,,4700,3,Klosterstraße,Rue du Couvent,,current",
)
REGISTER = "\n".join((HEAD, *ROWS)) + "\n"

<?xml version="1.0" encoding="utf-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="html" encoding="utf-8" doctype-system="about:legacy-compat"/>

<xsl:template match="/rtmp">
  <html lang="en">
    <head>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>RTMP statistics</title>
      <link rel="stylesheet" href="/stat.css"/>
    </head>
    <body>
      <h1>RTMP statistics</h1>
      <p>
        StreamCaster <xsl:value-of select="nginx_version"/>, pid <xsl:value-of select="pid"/>,
        up <xsl:value-of select="uptime"/> s, <xsl:value-of select="naccepted"/> connections accepted.
        In <xsl:call-template name="kbps"><xsl:with-param name="bps" select="bw_in"/></xsl:call-template>,
        out <xsl:call-template name="kbps"><xsl:with-param name="bps" select="bw_out"/></xsl:call-template>.
      </p>
      <xsl:apply-templates select="server/application/live/stream"/>
    </body>
  </html>
</xsl:template>

<xsl:template match="stream">
  <h2><xsl:value-of select="../../name"/>/<xsl:value-of select="name"/></h2>
  <p>
    <xsl:if test="meta/video">
      <xsl:value-of select="meta/video/codec"/><xsl:text> </xsl:text>
      <xsl:value-of select="meta/video/width"/>×<xsl:value-of select="meta/video/height"/>,
      <xsl:value-of select="meta/video/frame_rate"/> frames/s,
      <xsl:call-template name="kbps"><xsl:with-param name="bps" select="bw_video"/></xsl:call-template>;
    </xsl:if>
    <xsl:if test="meta/audio">
      <xsl:value-of select="meta/audio/codec"/><xsl:text> </xsl:text>
      <xsl:value-of select="meta/audio/sample_rate"/> Hz,
      <xsl:call-template name="kbps"><xsl:with-param name="bps" select="bw_audio"/></xsl:call-template>;
    </xsl:if>
    <xsl:value-of select="nclients"/> clients
  </p>
  <table>
    <thead>
      <tr><th>id</th><th>what</th><th>address</th><th>agent</th><th>seconds</th><th>dropped</th><th>A−V ms</th></tr>
    </thead>
    <tbody><xsl:apply-templates select="client"/></tbody>
  </table>
</xsl:template>

<xsl:template match="client">
  <tr>
    <td><xsl:value-of select="id"/></td>
    <td>
      <xsl:choose>
        <xsl:when test="publishing">source</xsl:when>
        <xsl:when test="active">viewer</xsl:when>
        <xsl:otherwise>paused</xsl:otherwise>
      </xsl:choose>
    </td>
    <td><xsl:value-of select="address"/></td>
    <td><xsl:value-of select="flashver"/></td>
    <td><xsl:value-of select="floor(time div 1000)"/></td>
    <td><xsl:value-of select="dropped"/></td>
    <td><xsl:value-of select="avsync"/></td>
  </tr>
</xsl:template>

<xsl:template name="kbps">
  <xsl:param name="bps"/>
  <xsl:value-of select="round($bps div 1000)"/> kbit/s</xsl:template>

</xsl:stylesheet>
